"""The settings as the graph sees them: an external asset whose data version is a hash of those that shape results.

An asset that reads one of them has `SETTINGS` among its `deps`, so that another seed or another model makes it stale.
Where the settings come from stands in `twin_assets.settings`.
"""

import dagster as dg

from resources.project import Project
from twin_assets.observing.recording import LastObserved, observation_if_changed
from twin_assets.reporting import OWNERS, data_version

SETTINGS = "settings"


@dg.multi_observable_source_asset(  # type: ignore[untyped-decorator]
    name="look_at_the_settings",
    specs=[
        dg.AssetSpec(
            SETTINGS,
            group_name="sources",
            owners=OWNERS,
            kinds={"file"},
            description=(
                "The settings that shape results: seed, share of held-out documents, base model, embedding model.\n\n"
                "They come from the environment, `.env` and the profile. A sensor and `twin build` observe them and "
                "record a hash of their values; when one changes, every asset that reads them is stale."
            ),
        )
    ],
)
def settings(project: Project) -> dg.ObserveResult:
    """Observe the settings, as the button of the Dagster UI asks for it."""
    values = project.shaping_results()
    return dg.ObserveResult(asset_key=SETTINGS, data_version=data_version(values), metadata=values)


def observe_settings(observed: LastObserved, project: Project) -> dg.AssetObservation | None:
    """Return an observation of the settings if one differs from when they were last observed."""
    values = project.shaping_results()
    return observation_if_changed(
        observed,
        SETTINGS,
        str(data_version(values).value),
        metadata=values,
        description="A setting that shapes results has another value.",
    )
