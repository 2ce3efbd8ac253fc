from csalgan.weights import main

main()
