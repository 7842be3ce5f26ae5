-- One value: in words, how an API asks several dependencies.
create macro asking(aggregation) as
case aggregation
    when 'sequential' then 'one after the other'
    when 'concurrent' then 'all at once'
    else 'in an order that is not known'
end
