"""The configuration of a network, as `get_config` of Keras returns it."""


def entry_name(entry):
    """Return the name of a layer or operation from its entry in a configuration.

    The entries of a sequential model have no names of their own. In Keras 3.5, the
    configuration of an operation, such as ``x + y``, has no name.
    """
    return entry["name"] if "name" in entry else entry["config"]["name"]


def without_names(config):
    """Return the `config` of a network with numbers in place of layer names.

    Automatic names differ between networks, because Keras numbers them consecutively.
    Names are replaced only where a layer's name is expected, because the name of a
    layer may equal the value of a setting, such as "relu".
    """
    layers = config["layers"]
    indices = {entry_name(layer): i for i, layer in enumerate(layers)}

    def numbered(part):
        if isinstance(part, (list, tuple)):
            return [numbered(item) for item in part]
        if not isinstance(part, dict):
            return part
        return {
            key: [indices[value[0]], *value[1:]]
            if key == "keras_history"
            else numbered(value)
            for key, value in part.items()
        }

    def references(part):
        if isinstance(part, (list, tuple)):
            return [references(item) for item in part]
        return indices.get(part, part) if isinstance(part, str) else part

    def settings_of(layer):
        if "layers" in layer:
            return without_names(layer)
        return numbered({key: value for key, value in layer.items() if key != "name"})

    config = {key: value for key, value in config.items() if key != "name"}
    for key in ("input_layers", "output_layers"):
        if key in config:
            config[key] = references(config[key])
    config["layers"] = [
        numbered({k: v for k, v in layer.items() if k not in ("name", "config")})
        | {"config": settings_of(layer["config"])}
        for layer in layers
    ]
    return config
