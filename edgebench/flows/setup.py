"""The verb ``setup``: separate environments for packages that cannot share edgebench's."""

from __future__ import annotations

from collections.abc import Callable

from edgebench.machine.environments import (
    RECIPES,
    Recipe,
    State,
    find_recipe,
    make,
    remove,
    shown_size,
    size_bytes,
    state,
)


def costs(name: str) -> str | None:
    """What making an environment costs, in words, or None if it is complete.

    Raises:
        InputError: There is no such environment.
    """
    recipe = find_recipe(name)
    if state(recipe) is State.READY:
        return None
    count = len(recipe.requirements())
    done = " (part of it exists)" if state(recipe) is not State.MISSING else ""
    return (
        f"{name} is {recipe.purpose}. It takes {shown_size(recipe.size_bytes)} of disk space{done} in {recipe.folder}: "
        f"{count} packages, which pip downloads and which stay separate from this environment."
    )


def set_up(name: str, on_progress: Callable[[str], None] = lambda _: None) -> str:
    """Make an environment, or repair it.

    Args:
        name: Its name.
        on_progress: Called with what happens.

    Returns:
        Where it is, and what it takes.

    Raises:
        InputError: There is no such environment.
        StorageError: There is no room for it.
        UnavailableError: A package is not available here.
    """
    recipe = find_recipe(name)
    make(recipe, on_progress)
    return f"{name} is ready: {shown_size(size_bytes(recipe))} in {recipe.folder}"


def take_away(name: str) -> str:
    """Delete an environment; returns what was freed, in words.

    Raises:
        InputError: There is no such environment.
        StorageError: It cannot be deleted.
    """
    recipe = find_recipe(name)
    return f"removed: {recipe.folder} ({shown_size(remove(recipe))})"


def environments() -> list[tuple[Recipe, State, int | None]]:
    """All environments, their state, and the space they take now."""
    known = [(recipe, state(recipe)) for recipe in RECIPES.values()]
    return [(recipe, found, None if found is State.MISSING else size_bytes(recipe)) for recipe, found in known]
