"""Training, on tasks of a second."""

import math
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from edgebench.errors import InputError
from edgebench.models.network import Network, NetworkBuilder
from edgebench.models.network.weights import random_weights
from edgebench.tasks.task import Split
from edgebench.tasks.training import Recipe, TrainingFailed, evaluate, predict, train
from tests.tasks.synthetic import bars_task, small_network

pytestmark = pytest.mark.usefixtures("torch")

SHORT = Recipe(epochs=3, batch_size=16)


def same(first: dict, second: dict) -> bool:
    return all(
        np.array_equal(first[name].kernel, second[name].kernel) and np.array_equal(first[name].bias, second[name].bias)
        for name in first
    )


def test_a_network_learns_and_its_weights_keep_the_best_epochs_accuracy() -> None:
    task, network = bars_task(noise=0.6), small_network()
    seen: list[tuple[int, float]] = []
    trained = train(
        network,
        task,
        Recipe(epochs=8, batch_size=16, augment=False),
        seed=0,
        threads=1,
        on_epoch=lambda epoch, accuracy: seen.append((epoch, accuracy)),
    )
    assert [epoch for epoch, _ in seen] == list(range(1, 9)) == list(range(1, trained.epochs + 1))
    assert trained.validation_accuracy == max(accuracy for _, accuracy in seen) > 0.9
    assert evaluate(network, trained.weights, task.validation) == pytest.approx(trained.validation_accuracy)
    assert evaluate(network, trained.weights, task.test) > 0.85
    assert trained.seconds > 0


def test_a_seed_gives_the_same_weights_whatever_happened_before(torch: ModuleType) -> None:
    task, network = bars_task(), small_network()
    first = train(network, task, SHORT, seed=1, threads=1)
    torch.rand(7)
    state = torch.random.get_rng_state()
    second = train(network, task, SHORT, seed=1, threads=1)
    assert torch.equal(state, torch.random.get_rng_state())
    assert same(first.weights, second.weights)
    assert not same(first.weights, train(network, task, SHORT, seed=2, threads=1).weights)


def test_threads_are_put_back(torch: ModuleType) -> None:
    before = torch.get_num_threads()
    train(small_network(), bars_task(), SHORT, seed=0, threads=before + 1)
    assert torch.get_num_threads() == before


def test_a_callers_exception_passes_through_and_ends_the_training(torch: ModuleType) -> None:
    class PrunedError(Exception):
        pass

    epochs = []

    def stop(epoch: int, _: float) -> None:
        epochs.append(epoch)
        if epoch == 2:
            raise PrunedError

    before = torch.get_num_threads()
    with pytest.raises(PrunedError):
        train(small_network(), bars_task(), Recipe(epochs=9, batch_size=16), seed=0, on_epoch=stop, threads=before + 1)
    assert epochs == [1, 2]
    assert torch.get_num_threads() == before


def test_patience_ends_a_training_that_gets_no_better() -> None:
    recipe = Recipe(epochs=30, batch_size=16, patience=2, learning_rate=1e-9, weight_decay=0, augment=False)
    network, task = small_network(), bars_task(90)
    trained = train(network, task, recipe, seed=0, threads=1)
    assert trained.epochs < 30


def diverging() -> Network:
    builder = NetworkBuilder("diverging", (8, 8, 1))
    for _ in range(6):
        builder.conv(16, 3, batch_norm=False)
    builder.global_average_pool()
    builder.dense(3)
    return builder.build()


def test_a_loss_that_is_no_number_is_said_to_be_so() -> None:
    with pytest.raises(TrainingFailed, match=r"loss became .*lower the learning rate"):
        train(diverging(), bars_task(), Recipe(epochs=20, batch_size=8, learning_rate=1e18), seed=0)


def test_a_network_of_another_size_gets_resized_images() -> None:
    task, network = bars_task(), small_network(12)
    trained = train(network, task, SHORT, seed=0, threads=1)
    assert evaluate(network, trained.weights, task.test) == evaluate(
        network, trained.weights, task.resized(12, 12).test
    )


def test_a_softmax_at_the_end_is_left_out_of_training() -> None:
    task = bars_task()
    plain = train(small_network(), task, SHORT, seed=0, threads=1)
    network = small_network(softmax=True)
    trained = train(network, task, SHORT, seed=0, threads=1)
    assert same(plain.weights, trained.weights)
    np.testing.assert_array_equal(
        predict(network, trained.weights, task.test), predict(small_network(), trained.weights, task.test)
    )


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (small_network(classes=4), r"yields \[4\], task 'bars' has 3 classes"),
        (NetworkBuilder("vector", (64,)), "1 channels"),
        (NetworkBuilder("colour", (8, 8, 3)), "1 channels"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(network: Network | NetworkBuilder, message: str) -> None:
    if isinstance(network, NetworkBuilder):
        network.dense(3)
        network = network.build()
    with pytest.raises(InputError, match=message):
        train(network, bars_task(), SHORT, seed=0)


def test_distillation_teaches_what_wrong_labels_do_not() -> None:
    task = bars_task()
    teacher_network = small_network(12, width=16)
    teacher = train(teacher_network, task, Recipe(epochs=8, batch_size=16), seed=0, threads=1)
    assert evaluate(teacher_network, teacher.weights, task.test) > 0.9
    wrong = Split(images=task.train.images, labels=np.random.default_rng(0).permutation(task.train.labels))
    mislabelled = replace(task, train=wrong)
    alone = Recipe(epochs=8, batch_size=16)
    taught = replace(alone, distillation=1.0)
    pair = (teacher_network, teacher.weights)
    student = train(small_network(), mislabelled, taught, seed=0, threads=1, teacher=pair)
    left = train(small_network(), mislabelled, alone, seed=0, threads=1)
    assert evaluate(small_network(), student.weights, task.test) > 0.8
    assert evaluate(small_network(), left.weights, task.test) < 0.7
    with pytest.raises(InputError, match="needs a teacher"):
        train(small_network(), task, taught, seed=0)


def test_training_continues_from_folded_weights() -> None:
    task, network = bars_task(noise=0.6), small_network()
    trained = train(network, task, Recipe(epochs=6, batch_size=16), seed=0, threads=1)
    still = Recipe(epochs=1, batch_size=168, learning_rate=1e-9, weight_decay=0, augment=False)
    again = train(network, task, still, seed=1, initial=trained.weights, threads=1)
    assert again.validation_accuracy == pytest.approx(trained.validation_accuracy, abs=0.03)
    assert train(network, task, still, seed=1, threads=1).validation_accuracy < 0.7
    with pytest.raises(InputError, match="takes weights of"):
        train(network, task, still, seed=1, initial=random_weights(small_network(width=4), 0))


def test_unfolded_weights_compute_what_the_folded_ones_compute(torch: ModuleType) -> None:
    from edgebench.models.pytorch.writer import to_torch
    from edgebench.tasks.fitting import image_tensor
    from edgebench.tasks.initial import trainable_from_weights

    network, images = small_network(), image_tensor(bars_task().train.images)
    weights = random_weights(network, 3)
    module = trainable_from_weights(network, weights, images).eval()
    with torch.no_grad():
        torch.testing.assert_close(module(images), to_torch(network, weights)(images), rtol=1e-4, atol=1e-4)


def test_augmentation_moves_whole_images_and_nothing_else(torch: ModuleType) -> None:
    from edgebench.tasks.recipe import augmented

    torch.manual_seed(0)
    images = torch.zeros(64, 1, 28, 28)
    images[:, 0, 14, 14] = 1
    moved = augmented(images)
    assert moved.shape == images.shape
    assert torch.equal(moved.sum((1, 2, 3)), torch.ones(64))
    rows, columns = (moved[:, 0].sum(axis).argmax(1) for axis in (2, 1))
    for places in (rows, columns):
        assert set(places.tolist()) == {12, 13, 14, 15, 16}


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 0}, {"batch_size": 1}, {"patience": 0}, {"learning_rate": 0.0}, {"learning_rate": math.nan},
        {"temperature": -1.0}, {"weight_decay": -0.1}, {"label_smoothing": 1.0}, {"distillation": 1.1},
    ],
)  # fmt: skip
def test_recipes_refuse_what_makes_no_sense(values: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        Recipe(**values)
