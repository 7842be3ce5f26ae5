-- One row is one run of a reference tool whose own figures contradict each other.
with judged as (
    select
        baseline_id, benchmark, 'rate x time = count' as rule, n::double as expected,
        throughput_per_s * elapsed_ns / 1e9 as found,
        abs(throughput_per_s * elapsed_ns / 1e9 / nullif(n - errors, 0) - 1) > 0.05 as broken,
        format('the tool says {:.1f} calls/s for {:.3f} s, and {} calls', throughput_per_s, elapsed_ns / 1e9, n) as sentence
    from stated
    where problem is null
    union all
    select
        baseline_id, benchmark, 'order of percentiles', latencies_ns[1], latencies_ns[-1],
        latencies_ns <> list_sort(latencies_ns),
        'the percentiles that the tool states do not rise'
    from stated
)
select baseline_id as source, benchmark as place, rule, expected, found, sentence
from judged
where broken
