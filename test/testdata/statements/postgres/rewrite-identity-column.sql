with v ("id", "number", "a") as materialized (
  select v.c1, v.c2, v.c3
  from (select unnest($1::pg_catalog.int8[]) as c1, unnest($2::pg_catalog.int8[]) as c2, unnest($3::pg_catalog.text[]) as c3) as v
),
gone as (
  delete from "public"."serial" as t using v
  where t."id" = v."id" and (t."number" is distinct from v."number")
  returning v."id", v."number", v."a", t."b"
)
insert into "public"."serial" as t ("id", "number", "a", "b")
overriding system value
select "id", "number", "a", "b" from gone order by "id"
