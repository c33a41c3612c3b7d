"""Inventories: what kubectl, istioctl and ztunnel print about pods and nodes, read into facts."""
