"""Order of the examples in the gallery."""

EXAMPLES = (
    "plot_look_at_the_data.py",
    "plot_underfitting.py",
    "plot_overfitting.py",
    "plot_under_and_overfitting.py",
    "plot_regularization.py",
    "plot_augmentation.py",
    "plot_batch_size.py",
    "plot_cross_validation.py",
    "plot_grid_search.py",
    "plot_final_model.py",
    "plot_pretrained_features.py",
    "plot_random_labels.py",
    "plot_ensembles.py",
    "plot_wrong_labels.py",
    "plot_calibration.py",
)


class ExampleOrder:
    """Sort the examples as in EXAMPLES, and fail if an example is missing there."""

    def __init__(self, src_dir):
        self.src_dir = src_dir

    def __call__(self, filename):
        return EXAMPLES.index(filename)
