delete from "SHOP"."Every Thing" t
where t.rowid = (
  select s.rowid
  from (select :1 as c1, :2 as c2, :3 as c3, :4 as c4, :5 as c5, :6 as c6, :7 as c7, :8 as c8, :9 as c9, :10 as c10, :11 as c11, :12 as c12, :13 as c13, :14 as c14, :15 as c15, :16 as c16, :17 as c17 from dual) v, "SHOP"."Every Thing" s
  where s."id" = hextoraw(v.c1)
    and (s."c:0 float" = v.c2 or s."c:0 float" is null and v.c2 is null)
    and (s."c:1 boolean" = to_boolean(v.c3) or s."c:1 boolean" is null and v.c3 is null)
    and (s."c:2 text" = to_nchar(v.c4) or s."c:2 text" is null and v.c4 is null)
    and (v.c5 = 'x' and dbms_lob.getlength(s."c:3 clob") = 0 or v.c5 <> 'x' and dbms_lob.compare(s."c:3 clob", to_clob(substr(v.c5, 2))) = 0 or s."c:3 clob" is null and v.c5 is null)
    and (v.c6 = 'x' and dbms_lob.getlength(s."c:4 blob") = 0 or v.c6 <> 'x' and dbms_lob.compare(s."c:4 blob", to_blob(hextoraw(substr(v.c6, 2)))) = 0 or s."c:4 blob" is null and v.c6 is null)
    and (json_equal(s."c:5 json", case when v.c7 is null then null else json(v.c7) end) or s."c:5 json" is null and v.c7 is null)
    and (dbms_lob.compare(s."c:6 json", to_clob(v.c8)) = 0 or s."c:6 json" is null and v.c8 is null)
    and (dbms_lob.compare(s."c:7 json", to_blob(hextoraw(v.c9))) = 0 or s."c:7 json" is null and v.c9 is null)
    and (s."c:8 json" = v.c10 or s."c:8 json" is null and v.c10 is null)
    and (s."c:9 xml" is null and v.c11 is null)
    and (s."c:10 date" = to_date(v.c12, 'YYYY-MM-DD HH24:MI:SS') or s."c:10 date" is null and v.c12 is null)
    and (s."c:11 timestamp" = to_timestamp(v.c13, 'YYYY-MM-DD HH24:MI:SS.FF9') or s."c:11 timestamp" is null and v.c13 is null)
    and (s."c:12 timestamp" = to_timestamp_tz(v.c14, 'YYYY-MM-DD HH24:MI:SS.FF9 TZH:TZM') or s."c:12 timestamp" is null and v.c14 is null)
    and (s."c:13 year-month" = to_yminterval(v.c15) or s."c:13 year-month" is null and v.c15 is null)
    and (s."c:14 day-second" = to_dsinterval(v.c16) or s."c:14 day-second" is null and v.c16 is null)
    and (s."c:15 unsupported" is null and v.c17 is null)
    and rownum = 1
)
