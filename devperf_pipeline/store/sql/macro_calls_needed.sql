-- One value: from how many calls on a 95 % interval of a percentile exists: the first n for which share ^ n is below 0.025.
create macro calls_needed(share) as ceil(ln(0.025) / ln(share))::bigint
