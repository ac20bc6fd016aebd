"""Tools of the one who deploys: the package, the settings of an account. Never on Lambda."""
