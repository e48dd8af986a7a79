"""Lambda of states `DeployStaging` and `DeployProd`."""
