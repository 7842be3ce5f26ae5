-- One value: why a percentile above the median (p66_ns to p99_ns) is weak, null where its calls suffice or it is none.
create macro weakness(measure, calls) as
case
    when measure similar to 'p[6-9][0-9]_ns' and calls < calls_needed(try_cast(substr(measure, 2, 2) as double) / 100)
        then 'weak: from ' || calls || ' calls, where ' || left(measure, 3) || ' needs '
            || calls_needed(try_cast(substr(measure, 2, 2) as double) / 100) || '; measure longer'
end
