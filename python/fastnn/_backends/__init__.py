"""The backends: kernels found by name. The plain names are public functions, so these modules are private."""
