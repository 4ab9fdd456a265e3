import pytest

from edgebench.flows.profile.preparation import conversion_limit_s


@pytest.mark.parametrize("source", ["net.pt2", "net.PT", "nets/net.pth", "mynets:resnet"])
def test_exporters_have_time_of_their_own(source: str) -> None:
    assert conversion_limit_s(source, 5.0) == 600.0
    assert conversion_limit_s(source, 900.0) == 900.0


@pytest.mark.parametrize("source", ["net.onnx", "net.tflite", "zoo:tiny", "net"])
def test_other_models_keep_to_the_limit(source: str) -> None:
    assert conversion_limit_s(source, 5.0) == 5.0
