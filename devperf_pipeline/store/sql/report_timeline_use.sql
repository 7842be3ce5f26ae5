-- One row is one reading of what a service used under a sustained benchmark.
select at_ns, cpu_percent, rss_bytes
from resource_samples
where baseline_id = $baseline_id and benchmark = $benchmark and service = $service
order by at_ns
