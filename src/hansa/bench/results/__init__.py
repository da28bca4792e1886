"""What is made of result files: a comparison of two, plots, the page of the docs."""
