with v as materialized (
  select v.c2::pg_catalog.int8 as c2, row(v.c1::pg_catalog.text, v.c2::pg_catalog.int8, pg_catalog.trim_scale(v.c3::pg_catalog.numeric), v.c4::pg_catalog.bpchar::pg_catalog.text)::pg_catalog.text collate pg_catalog."C" as whole, row(v.c3, v.c4)::pg_catalog.text collate pg_catalog."C" as writing
  from (select unnest($1::pg_catalog.text[]) as c1, unnest($2::pg_catalog.int8[]) as c2, unnest($3::pg_catalog.numeric[]) as c3, unnest($4::pg_catalog.bpchar[]) as c4) as v
),
g as (
  select c2, whole, count(*) as wanted, row_number() over () as kind
  from v group by c2, whole
),
w as (
  select g.kind, o.writing, count(*) as wanted
  from v as o join g on o.c2 = g.c2 and o.whole = g.whole
  group by g.kind, o.writing
),
candidates as (
  select o.part, o.place, g.kind, g.wanted, o.writing,
    row_number() over (partition by g.kind, o.writing) as turn
  from (select t.tableoid as part, t.ctid as place, t."id"::pg_catalog.int8 as c2, row(t."customer"::pg_catalog.text, t."id"::pg_catalog.int8, pg_catalog.trim_scale(t."total"::pg_catalog.numeric), t."code"::pg_catalog.bpchar::pg_catalog.text)::pg_catalog.text collate pg_catalog."C" as whole, row(t."total", t."code")::pg_catalog.text collate pg_catalog."C" as writing
    from "public"."orders" as t) as o
  join g on o.c2 = g.c2 and o.whole = g.whole
),
found as (
  select c.part, c.place, c.wanted, row_number() over (
    partition by c.kind order by c.turn <= coalesce(w.wanted, 0) desc) as number
  from candidates as c
  left join w on w.kind = c.kind and w.writing = c.writing
)
delete from "public"."orders" as t using found
where t.tableoid = found.part and t.ctid = found.place and found.number <= found.wanted
