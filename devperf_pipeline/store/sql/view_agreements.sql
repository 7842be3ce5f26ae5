-- One row is one reference tool on one operation of a baseline, and the engine's rounds in alternation with it.
-- They agree where the ranges over their rounds, each wider by 5 %, touch: medians and throughput both. A tool that
-- counts time in steps is given one step more; one that sees only every so often whether it has finished may have been
-- faster by as much. One or two short runs of a tool have no spread to speak of: a small difference is none that can be
-- told then. Where it cannot be told, `agrees` is null.
create view agreements as
with tools as (
    select
        s.baseline_id,
        s.service,
        s.operation,
        s.users,
        s.load,
        s.instrument as tool,
        coalesce(r.p50_ns, s.latencies_ns[list_position(s.shares, 0.5)]) as p50_ns,
        coalesce(r.throughput_per_s, s.throughput_per_s) as throughput_per_s,
        coalesce(s.problem, r.problem) as problem,
        coalesce(try_cast(map_extract(s.about, 'steps')[1] as bigint), 1000) as step_ns,
        s.elapsed_ns,
        try_cast(map_extract(s.about, 'looks every')[1] as bigint) as looks_ns,
        try_cast(map_extract(s.about, 'client cpu')[1] as double) as tool_share,
        try_cast(map_extract(s.about, 'engine cpu')[1] as double) as engine_share,
        map_extract(s.about, 'kept connections')[1] as kept
    from stated as s
    left join rounds as r using (baseline_id, benchmark, round)
),
tool as (
    select
        baseline_id,
        service,
        operation,
        users,
        load,
        tool,
        median(p50_ns) as p50_ns,
        min(p50_ns) as p50_low,
        max(p50_ns) as p50_high,
        median(throughput_per_s) as throughput_per_s,
        min(throughput_per_s) as throughput_low,
        max(
            case
                when looks_ns is null then throughput_per_s
                when elapsed_ns > 1.1 * looks_ns then throughput_per_s * elapsed_ns / (elapsed_ns - looks_ns)
                else 'infinity'::double
            end
        ) as throughput_high,
        max(looks_ns) as looks_ns,
        avg(elapsed_ns) / 1e9 as run_s,
        count(*) as runs,
        max(step_ns) as step_ns,
        avg(tool_share) as tool_share,
        avg(engine_share) as engine_share,
        min(kept) as kept,
        min(problem) as problem
    from tools
    group by all
),
engine as (
    select
        baseline_id,
        service,
        operation,
        users,
        load,
        median(p50_ns) as p50_ns,
        min(p50_ns) as p50_low,
        max(p50_ns) as p50_high,
        median(throughput_per_s) as throughput_per_s,
        min(throughput_per_s) as throughput_low,
        max(throughput_per_s) as throughput_high,
        median(other_cpu) as other_cpu,
        min(problem) as problem
    from rounds
    where instrument = 'engine'
    group by all
),
compared as (
    select
        t.baseline_id,
        t.service,
        t.operation,
        t.users,
        t.tool,
        e.p50_ns::bigint as engine_p50_ns,
        t.p50_ns::bigint as tool_p50_ns,
        t.p50_ns / e.p50_ns as p50_ratio,
        e.throughput_per_s as engine_throughput_per_s,
        t.throughput_per_s as tool_throughput_per_s,
        t.throughput_per_s / e.throughput_per_s as throughput_ratio,
        coalesce(t.problem, e.problem) as problem,
        coalesce(
            0.95 * t.p50_low - t.step_ns <= 1.05 * e.p50_high and 0.95 * e.p50_low <= 1.05 * t.p50_high + t.step_ns,
            true
        ) as medians_agree,
        0.95 * t.throughput_low <= 1.05 * e.throughput_high
        and 0.95 * e.throughput_low <= 1.05 * t.throughput_high as throughputs_agree,
        t.looks_ns,
        t.run_s,
        t.runs,
        coalesce(t.tool_share, 0) as tool_share,
        coalesce(t.engine_share, 0) as engine_share,
        e.other_cpu,
        t.kept
    from tool as t
    join engine as e using (baseline_id, service, operation, users, load)
),
judged as (
    select
        *,
        case
            when problem is not null then 'problem'
            when throughput_ratio is null then 'nothing answered'
            when medians_agree and throughputs_agree and looks_ns is null then 'agree'
            when medians_agree and throughputs_agree then 'agree, end seen late'
            when medians_agree and not throughputs_agree and looks_ns >= run_s * 1e9 / 4 then 'end seen too late'
            when throughput_ratio < 1 and kept like '0 of %' then 'connections closed'
            when throughput_ratio < 1 and tool_share > 0.85 then 'tool at its limit'
            when throughput_ratio > 1 and engine_share > 0.85 then 'engine at its limit'
            when is_busy(other_cpu) then 'others'
            when p50_ratio < 1 and not medians_agree and engine_share > 0.85 then 'engine waited for'
            when p50_ratio > 1 and not medians_agree and tool_share > 0.85 then 'tool waited for'
            when runs < 3 and throughput_ratio between 0.7 and 1.4 and greatest(tool_share, engine_share) <= 0.85
            then 'no spread'
            else 'differ'
        end as seen
    from compared
)
select
    baseline_id,
    service,
    operation,
    users,
    tool,
    engine_p50_ns,
    tool_p50_ns,
    p50_ratio,
    engine_throughput_per_s,
    tool_throughput_per_s,
    throughput_ratio,
    case
        when seen in ('agree', 'agree, end seen late') then true
        when seen not in ('problem', 'nothing answered', 'end seen too late', 'others', 'no spread') then false
    end as agrees,
    case seen
        when 'problem' then 'not comparable: ' || problem
        when 'nothing answered' then 'not comparable: one of them was answered nothing'
        when 'agree' then 'agree within their spreads'
        when 'agree, end seen late'
        then format(
            'agree as far as can be told: {} sees only every {:.0f} ms whether it has finished, and its run took {:.2f} s',
            tool,
            looks_ns / 1e6,
            run_s
        )
        when 'end seen too late'
        then format(
            'medians agree; {} sees only every {:.0f} ms whether it has finished, too seldom for the throughput of a run of {:.2f} s',
            tool,
            looks_ns / 1e6,
            run_s
        )
        when 'connections closed'
        then format(
            '{} speaks HTTP/1.0, and the server closed the connection after each of its calls: {:.2f} of the engine''s throughput',
            tool,
            throughput_ratio
        )
        when 'tool at its limit'
        then format(
            '{} was at its limit: it used {:.0f} % of a core, and made {:.2f} of the engine''s throughput{}',
            tool,
            100 * tool_share,
            throughput_ratio,
            case
                when looks_ns is null then ''
                else format(' at least (it sees only every {:.0f} ms whether it has finished)', looks_ns / 1e6)
            end
        )
        when 'engine at its limit'
        then format(
            'the engine was at its limit: it used {:.0f} % of a core, and {} made {:.2f} of its throughput',
            100 * engine_share,
            tool,
            throughput_ratio
        )
        when 'others'
        then format(
            'cannot tell: other processes used {:.0f} % of all cores; {} made {:.2f} of the engine''s throughput',
            100 * other_cpu,
            tool,
            throughput_ratio
        )
        when 'engine waited for'
        then format(
            'the engine was at its limit: it used {:.0f} % of a core, so calls waited for it; the median of {} is {:.2f} of its, and its throughput {:.2f}',
            100 * engine_share,
            tool,
            p50_ratio,
            throughput_ratio
        )
        when 'tool waited for'
        then format(
            '{} was at its limit: it used {:.0f} % of a core, so calls waited for it; its median is {:.2f} of the engine''s, and its throughput {:.2f}',
            tool,
            100 * tool_share,
            p50_ratio,
            throughput_ratio
        )
        when 'no spread'
        then format(
            'cannot tell: {} of {} no spread; it made {:.2f} of the engine''s throughput{}; neither was at its limit ({:.0f} and {:.0f} % of a core){}',
            case runs when 1 then 'one run' else 'two runs' end,
            tool || case runs when 1 then ' has' else ' have' end,
            throughput_ratio,
            coalesce(format(', and its median is {:.2f} of the engine''s', p50_ratio), ''),
            100 * tool_share,
            100 * engine_share,
            case
                when run_s between 0.001 and 1
                then format('; its run took {:.2f} s, so that its start and end weigh', run_s)
                else ''
            end
        )
        else format(
            'differ by more than their spreads: {} made {:.2f} of the engine''s throughput{}; {} ({:.0f} and {:.0f} % of a core){}',
            tool,
            throughput_ratio,
            coalesce(format(', and its median is {:.2f} of the engine''s', p50_ratio), ''),
            case
                when greatest(tool_share, engine_share) > 0.85 then 'that one was at its limit does not explain it'
                else 'neither was at its limit'
            end,
            100 * tool_share,
            100 * engine_share,
            case
                when run_s between 0.001 and 1
                then format(
                    '; its run took {:.2f} s, so that its start and end weigh', run_s
                )
                else ''
            end
        )
    end as says
from judged
