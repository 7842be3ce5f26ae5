-- One value: the id of a baseline that there is; an error for any other, which would only look like a baseline without rows.
create macro known(id) as
case
    when id in (select baseline_id from baselines) then id
    else error('No baseline is called ' || coalesce(id, 'null') || '. Ask "from baselines" for those there are.')
end
