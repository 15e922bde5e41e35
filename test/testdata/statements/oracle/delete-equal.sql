delete from "SHOP"."LOG" t
where t.rowid = (
  select s.rowid
  from (select :1 as c1, :2 as c2, :3 as c3 from dual) v, "SHOP"."LOG" s
  where s."N" = to_number(v.c1)
    and (s."AT" = to_timestamp_tz(v.c2, 'YYYY-MM-DD HH24:MI:SS.FF9 TZH:TZM') or s."AT" is null and v.c2 is null)
    and (s."WHAT" = v.c3 or s."WHAT" is null and v.c3 is null)
    and rownum = 1
)
