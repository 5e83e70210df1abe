"""Find the loss of a compiled network, and how to interpret its outputs."""


def single_loss(model):
    """Return the loss of a compiled network, unwrapped from any list or dict."""
    loss = model.loss
    while isinstance(loss, (dict, list, tuple)) and len(loss) == 1:
        (loss,) = loss.values() if isinstance(loss, dict) else loss
    return loss


def output_activation(model):
    """Return the name of the function that turns outputs into probabilities, or None.

    A network whose loss has ``from_logits=True`` outputs logits. They need a "sigmoid"
    if there is one output, and a "softmax" otherwise.
    """
    loss = single_loss(model)
    config = getattr(loss, "get_config", dict)()
    if not config.get("from_logits", getattr(loss, "from_logits", False)):
        return None
    return "sigmoid" if model.output_shape[-1] == 1 else "softmax"
