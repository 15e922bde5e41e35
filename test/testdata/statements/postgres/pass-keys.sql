with v (c1, c2, c3, c4) as materialized (
  select v.c1, v.c2, v.c3, v.c4
  from (select unnest($1::pg_catalog.int8[]) as c1, unnest($2::pg_catalog.text[]) as c2, unnest($3::pg_catalog.int8[]) as c3, unnest($4::pg_catalog.text[]) as c4) as v
),
gone ("customer", "id", "total", "code") as (
  delete from "public"."orders" as t using v
  where t."id" = v.c1 and t."customer" = v.c2
  returning v.c4, v.c3, t."total", t."code"
)
insert into "public"."orders" as t ("customer", "id", "total", "code")
select "customer", "id", "total", "code" from gone order by "id", "customer"
