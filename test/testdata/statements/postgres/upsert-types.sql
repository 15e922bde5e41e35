insert into "public"."Every ""Thing""" as t ("id", "tags", "pair", "corner", "place", "where")
select v.c1, v.c2::pg_catalog._text, v.c3::"public"."pair", v.c4::pg_catalog.box, case when v.c5 like '{%' then "gis".st_setsrid("gis".st_geomfromgeojson(v.c5), 3857) else v.c5::"gis"."geometry" end, case when v.c6 like '{%' then "gis".st_setsrid("gis".st_geomfromgeojson(v.c6), 4326)::"gis"."geography" else v.c6::"gis"."geography" end
from (select unnest($1::"ext"."citext"[]) as c1, unnest($2::pg_catalog.text[]) as c2, unnest($3::pg_catalog.text[]) as c3, unnest($4::pg_catalog.text[]) as c4, unnest($5::pg_catalog.text[]) as c5, unnest($6::pg_catalog.text[]) as c6) as v
on conflict ("id") do update set
  "tags" = excluded."tags",
  "pair" = excluded."pair",
  "corner" = excluded."corner",
  "place" = excluded."place",
  "where" = excluded."where"
