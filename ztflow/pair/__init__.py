"""Pairing: halves in, flows out. Finds the two lines of each connection. Start reading here.

A *half* is one access line; a connection leaves two, and nothing in them joins them. `Pairer` (`pairer`) takes
halves in any portions, holds them until the *watermark* has passed, and sends them through these stages; each decides
what it can be sure of and leaves the rest to the next. docs/explanation/pairing.md says the same without code.

    no partner by nature  plaintext to or from ends that are not captured,      `pairer`, `stages.unpaired_reasons`
                          early denials that say too little
    trace ids             equal ids: exact                                      `exact_evidence`
    isolated              two of one exact key with no third near: most pairs   `stages.isolated`
    once an epoch         what is still unmatched then, in turn:                `stages.per_epoch`
      clock offsets       how far each node's clock is off                      `clocks.by_epoch`, `clocks.offsets`
      nearby              equal halves within a second: cut into segments,      `stages.nearby`, `assignment.segments`
                          best assignment by the probability of each partner,   `assignment.matching`
                          which a hidden Markov model gives                     `hmm.posterior`
                          where they lie too dense for that: in order           `assignment.at_once`
      waypoint hops       which hop of a waypoint continues which connection    `stages.waypoint_hops`
      late or cut         partner ended up to 35 s apart, or bytes were lost    `stages.late_or_cut`
      unpaired reasons    why a half gets no partner                            `stages.unpaired_reasons`

What flows between them:

- `features.basic.BasicFeatures`, arrays over all halves: end, sizes, *blocking key* (what both halves of a connection
  share), *exact key* (blocking key and sizes). `features.full.FullFeatures` has the rest, made only for halves that are
  not isolated. `features.early_denials` finds the key of refused requests.
- `buffers`: batches ahead of the watermark; unmatched halves (recent ones, then those that wait for an epoch to end);
  exact key and end of matched ones.
- `output.DecisionRecorder` collects what is decided; `flow_table` makes the flows of it.

All time distances are in `reach`, all tuned figures in `parameters`, with what each is from. The hidden Markov model
(`hmm`): `transitions` and `transition_rates` (order of ends), `emissions` and `start_lags` (starts), `trellis`,
`forward`, `backward` (compiled by `jit`), `forward_backward` (runs them), `posterior` (learns, and gives the result).
Many segments at once go through `assignment.batches` to `segment_matching`, `learning`, `start_fits` and `solver`: the
same in plain loops, compiled with the trellis; without a compiler the former do it, and a test holds both together.
`trace_id_releases` makes flows of ztunnel 1.18 to 1.21, which have no access log.
"""

from ztflow.pair.flow_table import Decided
from ztflow.pair.pairer import ALLOWED_LATENESS, CAPACITY, Pairer
from ztflow.pair.trace_id_releases import LegacyPairer

__all__ = ["ALLOWED_LATENESS", "CAPACITY", "Decided", "LegacyPairer", "Pairer"]
