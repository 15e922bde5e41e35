with v as materialized (
  select row(v.c1::"ext"."citext", v.c2::pg_catalog._text::pg_catalog._text, v.c3::"public"."pair"::"public"."pair", v.c4::pg_catalog.box::pg_catalog.box, case when v.c5 like '{%' then "gis".st_setsrid("gis".st_geomfromgeojson(v.c5), 3857) else v.c5::"gis"."geometry" end::"gis"."geometry", case when v.c6 like '{%' then "gis".st_setsrid("gis".st_geomfromgeojson(v.c6), 4326)::"gis"."geography" else v.c6::"gis"."geography" end::"gis"."geography")::pg_catalog.text collate pg_catalog."C" as whole
  from (select unnest($1::"ext"."citext"[]) as c1, unnest($2::pg_catalog.text[]) as c2, unnest($3::pg_catalog.text[]) as c3, unnest($4::pg_catalog.text[]) as c4, unnest($5::pg_catalog.text[]) as c5, unnest($6::pg_catalog.text[]) as c6) as v
),
g as (
  select whole, count(*) as wanted, row_number() over () as kind
  from v group by whole
),
found as (
  select o.part, o.place, g.wanted, row_number() over (partition by g.kind) as number
  from (select t.tableoid as part, t.ctid as place, row(t."id"::"ext"."citext", t."tags"::pg_catalog._text, t."pair"::"public"."pair", t."corner"::pg_catalog.box, t."place"::"gis"."geometry", t."where"::"gis"."geography")::pg_catalog.text collate pg_catalog."C" as whole
    from only "public"."Every ""Thing""" as t) as o
  join g on o.whole = g.whole
)
delete from only "public"."Every ""Thing""" as t using found
where t.tableoid = found.part and t.ctid = found.place and found.number <= found.wanted
