"""From the policy to Alertmanager: routes, inhibition, and the webhook to the receivers.

Pure: policy in, text out. Nothing here reads, writes or starts anything.
"""

from risk_alertmanager.config import alertmanager_config, generate

__all__ = ["alertmanager_config", "generate"]
