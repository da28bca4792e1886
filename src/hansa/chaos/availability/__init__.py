"""How available an alliance is while it suffers: probes from outside, soaks, and how long single recoveries take."""
