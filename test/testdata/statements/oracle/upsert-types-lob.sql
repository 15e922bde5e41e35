merge into "SHOP"."Every Thing" t
using (select :1 as c1, :2 as c2, :3 as c3, :4 as c4, :5 as c5, :6 as c6, :7 as c7, :8 as c8, :9 as c9, :10 as c10, :11 as c11, :12 as c12, :13 as c13, :14 as c14, :15 as c15, :16 as c16, :17 as c17 from dual) v
on (t."id" = hextoraw(v.c1))
when matched then update set
  t."c:0 float" = v.c2,
  t."c:1 boolean" = to_boolean(v.c3),
  t."c:2 text" = to_nchar(v.c4),
  t."c:3 clob" = v.c5,
  t."c:4 blob" = v.c6,
  t."c:5 json" = case when v.c7 is null then null else json(to_clob(v.c7)) end,
  t."c:6 json" = v.c8,
  t."c:7 json" = v.c9,
  t."c:8 json" = to_char(v.c10),
  t."c:9 xml" = case when v.c11 is null then null else xmltype(to_clob(v.c11)) end,
  t."c:10 date" = to_date(v.c12, 'YYYY-MM-DD HH24:MI:SS'),
  t."c:11 timestamp" = to_timestamp(v.c13, 'YYYY-MM-DD HH24:MI:SS.FF9'),
  t."c:12 timestamp" = to_timestamp_tz(v.c14, 'YYYY-MM-DD HH24:MI:SS.FF9 TZH:TZM'),
  t."c:13 year-month" = to_yminterval(v.c15),
  t."c:14 day-second" = to_dsinterval(v.c16),
  t."c:15 unsupported" = null
when not matched then insert ("id", "c:0 float", "c:1 boolean", "c:2 text", "c:3 clob", "c:4 blob", "c:5 json", "c:6 json", "c:7 json", "c:8 json", "c:9 xml", "c:10 date", "c:11 timestamp", "c:12 timestamp", "c:13 year-month", "c:14 day-second", "c:15 unsupported")
values (hextoraw(v.c1), v.c2, to_boolean(v.c3), to_nchar(v.c4), v.c5, v.c6, case when v.c7 is null then null else json(to_clob(v.c7)) end, v.c8, v.c9, to_char(v.c10), case when v.c11 is null then null else xmltype(to_clob(v.c11)) end, to_date(v.c12, 'YYYY-MM-DD HH24:MI:SS'), to_timestamp(v.c13, 'YYYY-MM-DD HH24:MI:SS.FF9'), to_timestamp_tz(v.c14, 'YYYY-MM-DD HH24:MI:SS.FF9 TZH:TZM'), to_yminterval(v.c15), to_dsinterval(v.c16), null)
