"""Placement: finds pod, node and zone of both ends of a flow, from inventories and from the log itself."""

from ztflow.place.endpoints import Placement
from ztflow.place.inventory.facts import (
    AddressFact,
    Evidence,
    Inventory,
    NodeFact,
    OpenConnection,
    PodFact,
    ServiceFact,
    ZtunnelFact,
)
from ztflow.place.inventory.found import (
    Beside,
    Known,
    inventories_near,
    inventory_beside,
    known_inventory,
    read_inventory,
)
from ztflow.place.inventory.told import what_each_gave, what_is_near, what_was_beside
from ztflow.place.names import How, workload_of_name
from ztflow.place.placement import place_flows, place_ztunnels
from ztflow.place.register import Contradiction
from ztflow.place.topology import Topology

__all__ = [
    "AddressFact",
    "Beside",
    "Contradiction",
    "Evidence",
    "How",
    "Inventory",
    "Known",
    "NodeFact",
    "OpenConnection",
    "Placement",
    "PodFact",
    "ServiceFact",
    "Topology",
    "ZtunnelFact",
    "inventories_near",
    "inventory_beside",
    "known_inventory",
    "place_flows",
    "place_ztunnels",
    "read_inventory",
    "what_each_gave",
    "what_is_near",
    "what_was_beside",
    "workload_of_name",
]
