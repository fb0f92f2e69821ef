"""Permission profiles, as people and agents ask for them by name."""

from agent_swarm.domain.errors import Denied, UnknownReference
from agent_swarm.domain.permissions import Granted, Profile, Profiles
from agent_swarm.protocol import limits, rest
from agent_swarm.services import views
from agent_swarm.services.tokens import Identity
from agent_swarm.store.operations import SetAgentPermissions


def profile_of(name: str | None, field: str, own: Granted | None, profiles: Profiles) -> Profile | None:
    """The profile of a new task; None leaves it to whoever runs the task.

    `own` is that of the attempt that files it: what an agent may not do itself, it does not have others do. So a task
    that names nothing has its required profile, and one that names something wider is refused.
    """
    if name is None:
        return own.profile if own is not None and own.is_required else None
    profile = profile_named(name, field, profiles)
    if own is not None and not profile.is_within(own.profile):
        raise Denied(
            f"{field} names profile {profile.name!r}, which allows more than this attempt's own, {own.profile.name!r}",
            hint=f"leave {field} out, or name a narrower profile",
            details={"field": field, "profile": profile.name, "own": own.profile.name},
        )
    return profile


def set_agent_permissions(agent_id: str, name: str | None, profiles: Profiles, *, by: Identity) -> SetAgentPermissions:
    """Give an agent a profile, or take it away."""
    profile = None if name is None else profile_named(name, "profile", profiles)
    return SetAgentPermissions(agent_id=agent_id, profile=profile, actor=by.actor, profiles=profiles)


def list_profiles(profiles: Profiles) -> rest.PermissionProfileList:
    """All profiles, by name."""
    shown = [views.permission_profile(profile) for _, profile in sorted(profiles.by_name.items())]
    return rest.PermissionProfileList(profiles=shown[: limits.PROFILES], worker=profiles.worker, lead=profiles.lead)


def profile_named(name: str, field: str, profiles: Profiles) -> Profile:
    """The permission profile of this name. Raises UnknownReference, which names the field."""
    profile = profiles.named(name)
    if profile is None:
        raise UnknownReference(
            f"{field} names permission profile {name!r}, which does not exist",
            hint=f"expected one of: {', '.join(sorted(profiles.by_name))}",
            details={"field": field, "value": name},
        )
    return profile
