"""The base model as a deployment asks it: through the one chat template, whatever template a hub model brings along."""

from resources.artifacts import ArtifactStore
from twin_assets.documents import BaseModelRef
from twin_assets.inference.generation import CausalModel
from twin_assets.training.chat_template import ChatTemplate


def base_to_ask(base: BaseModelRef, template: ChatTemplate, artifacts: ArtifactStore) -> tuple[CausalModel, str]:
    """Return the base model, loaded when first asked, and the version of what it answers.

    A model that lies in an object store is fetched. The version is that of the weights. The files of a model that was
    trained here hold its template; the version of any other names the template beside them, so that another template is
    never answered with texts that were kept.
    """
    model = CausalModel(artifacts.loadable(base.location), revision=base.revision, chat_template=template.text)
    trained_here = base.revision is None
    return model, base.version if trained_here else f"{base.version}+{template.name}-{template.hash[:8]}"
