"""Runs the pages that are stale, with those whose checkpoints they wait for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from executor.cache import Cache, Entry
from executor.errors import PageError
from executor.progress import Progress
from executor.project import Project, State
from executor.schedule import Job, Runner

Outcome = dict[str, Entry | PageError]
"""By page id what came of running it."""


def with_makers(wanted: Sequence[State], states: Sequence[State]) -> list[State]:
    """Adds the stale pages that make what the wanted ones use.

    Args:
        wanted: The pages to run.
        states: All pages.
    """
    by_uri = {state.page.uri: state for state in states}
    chosen = {state.page.uri: state for state in wanted}
    queue = list(wanted)
    while queue:
        for source in queue.pop().sources:
            maker = by_uri[source.maker.uri]
            if maker.entry is None and maker.page.uri not in chosen:
                chosen[maker.page.uri] = maker
                queue.append(maker)
    return list(chosen.values())


def run(
    project: Project,
    cache: Cache,
    states: Sequence[State],
    jobs: int | None = None,
    runner: Runner | None = None,
) -> Outcome:
    """Runs pages, and keeps what succeeds.

    Args:
        project: The project.
        cache: Where results are kept.
        states: The pages.
        jobs: How many run at once; by default as many as there are cores.
        runner: What runs them, if there is one already, which the caller closes.
    """
    if not states:
        return {}
    own = runner or Runner(project.root, cache, jobs, durations=project.cache)
    try:
        with Progress(len(states), own.jobs) as progress:
            return own.run(
                [Job(state.program, state.key, state.sources) for state in states],
                progress.notify,
            )
    finally:
        if runner is None:
            own.close()


def run_stale(
    project: Project,
    states: Sequence[State],
    jobs: int | None = None,
    uris: Collection[str] | None = None,
    force: bool = False,
    runner: Runner | None = None,
) -> Outcome:
    """Runs what is stale until nothing is, each page once at most.

    A page that runs again may make another checkpoint, on another processor for example.
    Then the pages that use it are stale as well.

    Args:
        project: The project.
        states: All pages.
        jobs: How many run at once.
        uris: Which pages are wanted; by default all.
        force: Whether to run cached ones too.
        runner: What runs them, if there is one already, which the caller closes.
    """
    keys = {
        state.page.uri: state.key
        for state in states
        if uris is None or state.page.uri in uris
    }
    wanted = [s for s in states if s.page.uri in keys and (force or s.entry is None)]
    outcome: Outcome = {}
    while wanted := with_makers(wanted, states):
        outcome |= run(project, project.cache, wanted, jobs, runner)
        if not any(state.page.settings.saves for state in wanted):
            break
        states, _ = project.states()
        wanted = []
        for state in states:
            # Not what was edited in the meantime, nor what failed.
            same = keys.get(state.page.uri) == state.key
            if same and state.entry is None and state.page.id not in outcome:
                wanted.append(state)
    return outcome
