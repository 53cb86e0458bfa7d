"""What is wrong between permissions that may each be right: doors that nobody could open again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from risk_policy.errors import Problem
from risk_policy.values import Values
from risk_policy.vocabulary import Permission, Role

_TABLE: Final = "alerting.permissions"
#: What an admin has to be able to do, whatever else the policy says.
_ADMINS: Final = {
    Permission.MANAGE_TOKENS: "alerting.auth.operator_token is an admin's, and without it nobody "
    "could make the first token",
    Permission.TRIP: "alerting.auth.operator_token is an admin's, and the last resort of whoever "
    "has to stop the account",
}
#: What whoever may loosen the kill switch has to be able to do.
_LOOSENERS: Final = {
    Permission.TRIP: "whoever can open the gate has to be able to close it",
    Permission.READ: "whoever opens the gate has to see what closed it",
}


def permission_problems(values: Values) -> Iterator[Problem]:
    """Permissions that lock the machine's owner out, or let somebody loosen who may not trip."""
    for permission, because in _ADMINS.items():
        roles = _roles(values, permission)
        if roles and Role.ADMIN not in roles:
            yield _problem(permission, roles, f'must name "{Role.ADMIN.value}": {because}')
    for permission, because in _LOOSENERS.items():
        having = _roles(values, permission)
        for loosening in (Permission.LOOSEN, Permission.CONFIRM):
            missing = [role for role in _roles(values, loosening) if role not in having]
            if having and missing:
                message = (
                    f"leaves out {', '.join(missing)}, who may {loosening.value}: {because}; name "
                    f"them here, or take them off {_TABLE}.{loosening.value}"
                )
                yield _problem(permission, having, message)


def _problem(permission: Permission, roles: list[str], message: str) -> Problem:
    return Problem(f"{_TABLE}.{permission.value}", repr(roles), message)


def _roles(values: Values, permission: Permission) -> list[str]:
    """The roles that have it; none if that is no list of them, which is reported by itself."""
    found = values.get(f"{_TABLE}.{permission.value}")
    if not isinstance(found, list | tuple) or not all(isinstance(one, str) for one in found):
        return []
    return [str(one) for one in found]
