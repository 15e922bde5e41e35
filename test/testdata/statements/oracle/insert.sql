insert into "SHOP"."LOG" ("N", "AT", "WHAT")
select to_number(v.c1), to_timestamp_tz(v.c2, 'YYYY-MM-DD HH24:MI:SS.FF9 TZH:TZM'), v.c3
from (select :1 as c1, :2 as c2, :3 as c3 from dual) v
