"""The floors: the same work with nothing around it, set up as well as it can be. They are fixed; a better floor is a finding."""
