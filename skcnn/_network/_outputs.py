"""What a compiled network's loss expects, and what its outputs mean."""


def single_loss(model):
    """The loss that a network was compiled with, out of a list or dict of one."""
    loss = model.loss
    while isinstance(loss, (dict, list, tuple)) and len(loss) == 1:
        (loss,) = loss.values() if isinstance(loss, dict) else loss
    return loss


def output_activation(model):
    """Name of the function that turns outputs into probabilities, or None.

    A network whose loss has ``from_logits=True`` puts out logits. They become
    probabilities by "sigmoid" if there is one output, and by "softmax" otherwise.
    """
    loss = single_loss(model)
    config = getattr(loss, "get_config", dict)()
    if not config.get("from_logits", getattr(loss, "from_logits", False)):
        return None
    return "sigmoid" if model.output_shape[-1] == 1 else "softmax"
