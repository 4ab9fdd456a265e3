"""The end of an object detector that is not part of the network: the decoding of boxes, which has no integer form."""

from __future__ import annotations

from edgebench.models.tflite.tree import GraphEditor

_DECODING = "TFLite_Detection_PostProcess"


def leave_decoding(editor: GraphEditor) -> tuple[str, ...]:
    """Let a graph end where boxes are decoded and sorted out, as that is left to the application.

    Returns:
        What to say of it; nothing where there is no such end.
    """
    found = [operator for operator in editor.operators if editor.label(operator) == _DECODING]
    ends = set(found[0].outputs) if len(found) == 1 else set()
    goes_on = any(ends & set(operator.inputs) for operator in editor.operators)
    if not ends & set(editor.outputs) or goes_on:
        return ()
    read = [index for index in found[0].inputs if not editor.is_stored(index)]
    editor.operators = [operator for operator in editor.operators if operator is not found[0]]
    editor.graph.outputs = [*read, *(index for index in editor.outputs if index not in {*ends, *read})]
    # Signatures name outputs that no longer exist.
    editor.model.signatureDefs = []
    names = " and ".join(repr(editor.name(index)) for index in read)
    return (f"{_DECODING}, which decodes boxes, is left to the application: the converted model returns {names}",)
