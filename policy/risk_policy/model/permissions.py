"""Who may do what: permissions, named by what people do, and the roles that have them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from risk_policy.model.base import Section
from risk_policy.vocabulary import Permission, Role

_NAMES: Final = [role.value for role in Role]


def _known(name: object) -> object:
    if isinstance(name, str) and name not in _NAMES:
        close = difflib.get_close_matches(name, _NAMES, 1)
        raise PydanticCustomError(
            "role",
            "is no role; {meant}known are {names}",
            {
                "meant": f"did you mean {close[0]}? " if close else "",
                "names": ", ".join(_NAMES),
            },
        )
    return name


def _each_once(roles: tuple[Role, ...]) -> tuple[Role, ...]:
    if not roles:
        raise PydanticCustomError(
            "roles", 'is empty: nobody could do it; name the roles that may, e.g. ["admin"]'
        )
    if twice := next((role for role in roles if roles.count(role) > 1), None):
        raise PydanticCustomError(
            "roles", "names {role} more than once; once is enough", {"role": twice.value}
        )
    return roles


RoleName = Annotated[
    Role, BeforeValidator(_known), WithJsonSchema({"type": "string", "enum": _NAMES})
]
_Roles = Annotated[tuple[RoleName, ...], AfterValidator(_each_once)]


class Permissions(Section):
    """``[alerting.permissions]``: the roles that may do each thing.

    ``operator_token`` and ``approver_token`` of ``[alerting.auth]`` count as admin.

    Attributes:
        read: alerts, incidents, acknowledgements, channels, the gate and the kill switch.
        audit_read: the audit trail, and what tokens there are.
        acknowledge: take an alert on, and give it back.
        trip: the kill switch, and tighten it.
        arm: a disarmed kill switch.
        loosen: ask for what loosens the kill switch: to clear or disarm it.
        confirm: the second step of what somebody asked for.
        drill: put on record that a drill begins, how it ended, and how a go-live check ended.
        manage_channels: try channels out; send dead letters again, or let them be.
        manage_tokens: make and revoke tokens, make, change and remove who may log in, and have a
            new key sign the audit chain.
    """

    read: _Roles = tuple(Role)
    audit_read: _Roles = (Role.ADMIN, Role.RISK_MANAGER, Role.AUDITOR)
    acknowledge: _Roles = (Role.ADMIN, Role.RISK_MANAGER, Role.TRADING_OPS)
    trip: _Roles = (Role.ADMIN, Role.RISK_MANAGER, Role.TRADING_OPS)
    arm: _Roles = (Role.ADMIN, Role.RISK_MANAGER)
    loosen: _Roles = (Role.ADMIN, Role.RISK_MANAGER)
    confirm: _Roles = (Role.ADMIN, Role.RISK_MANAGER)
    drill: _Roles = (Role.ADMIN, Role.RISK_MANAGER, Role.TRADING_OPS)
    manage_channels: _Roles = (Role.ADMIN, Role.RISK_MANAGER, Role.TRADING_OPS)
    manage_tokens: _Roles = (Role.ADMIN,)

    def roles_with(self, permission: Permission) -> tuple[Role, ...]:
        """Who has a permission."""
        roles: tuple[Role, ...] = getattr(self, permission.value)
        return roles

    def of(self, roles: Iterable[Role]) -> frozenset[Permission]:
        """What somebody may who has these roles."""
        held = set(roles)
        return frozenset(p for p in Permission if held.intersection(self.roles_with(p)))

    def table(self) -> Mapping[Permission, tuple[Role, ...]]:
        """All of it."""
        return {permission: self.roles_with(permission) for permission in Permission}
