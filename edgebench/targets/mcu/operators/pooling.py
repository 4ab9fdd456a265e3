"""Means and maxima over parts of an image."""

from __future__ import annotations

from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators.common import each_image, fused_activation, image_padding, listed


def pool(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """Means or maxima of windows."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    options = operator.options
    kernel = (options["filterHeight"], options["filterWidth"])
    top, left = image_padding(operator, source.shape[1:3], kernel, output.shape[1:3])
    low, high = fused_activation(operator, output)
    mean = operator.kind == "AVERAGE_POOL_2D"
    scratch = 4 * source.shape[3] if mean else 0
    buffer = f"edgebench_arena + SCRATCH_{index}" if scratch else "NULL"
    body = (
        f"  const cmsis_nn_context context = {{{buffer}, {scratch}}};\n"
        f"  const cmsis_nn_pool_params params = {{{{{options['strideW']}, {options['strideH']}}}, {{{left}, {top}}}, "
        f"{{{low}, {high}}}}};\n"
        f"  const cmsis_nn_dims in = {{1, {listed(source.shape[1:])}}}, filter = {{1, {kernel[0]}, {kernel[1]}, 1}}, "
        f"out = {{1, {listed(output.shape[1:])}}};\n"
        + each_image(
            f"{'arm_avgpool_s8' if mean else 'arm_max_pool_s8'}(&context, &params, &in, {{source}}, &filter, &out, "
            "{output})",
            context,
            operator,
        )
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, scratch_bytes=scratch)
