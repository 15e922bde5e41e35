with v (c1, c2) as materialized (
  select v.c1, v.c2
  from (select unnest($1::pg_catalog.int8[]) as c1, unnest($2::pg_catalog.int8[]) as c2) as v
),
gone ("id", "a") as (
  delete from "public"."t" as t using v
  where t."id" = v.c1
  returning v.c2, t."a"
)
insert into "public"."t" as t ("id", "a")
overriding system value
select "id", "a" from gone order by "id"
