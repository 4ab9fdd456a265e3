"""What each model may cost where it ships, as tests; ``pytest`` finds the fixture through edgebench's plug-in."""


def test_keywords_fit_the_board(assert_within_budget):
    assert_within_budget("models/keywords.tflite", "nucleo-l4r5zi", latency="150ms", ram="32KB", flash="128KB")


def test_keywords_run_on_the_npu(assert_within_budget):
    assert_within_budget("models/keywords.tflite", "ethos-u55-128", latency="1ms")
