"""Published setups; a file without an extension is a recipe, a list of flags for `dvc exp run`."""

# Recipe → the test accuracy that its page reports; None where it states none.
PUBLISHED = {
    "resnet18-rotate": 0.8833,
    "resnet18-small-batch": 0.86,
    "resnet18-mean-fill": 0.67,
    "custom-resnet": 0.9218,
    "resnet18-layernorm": None,
}
