"""What is known of each data set; docs/data.md says more. Tests hold every number here against the files."""
