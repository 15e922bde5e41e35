with given as (
  select
    w.w1 as e1,
    w.w2 as e2,
    cast(hashbytes('SHA2_256', cast(w.w3 as varbinary(max))) as binary(32)) as e3,
    row_number() over (partition by w.w1, w.w2, cast(hashbytes('SHA2_256', cast(w.w3 as varbinary(max))) as binary(32)) order by (select null)) as place
  from (
    select
      cast(v.c1 as bigint) as w1,
      cast(v.c2 as datetime2(6)) as w2,
      cast(v.c3 collate Latin1_General_BIN2 as varchar(20)) as w3
    from openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(64) '$[1]',
  c3 nvarchar(4000) '$[2]'
) as v
  ) as w
), held as (
  select
    t.[n] as e1,
    t.[at] as e2,
    cast(hashbytes('SHA2_256', cast(t.[what] as varbinary(max))) as binary(32)) as e3,
    row_number() over (partition by t.[n], t.[at], cast(hashbytes('SHA2_256', cast(t.[what] as varbinary(max))) as binary(32)) order by (select null)) as place
  from [dbo].[log] as t
  where exists (
    select 1 from given as g
    where exists (select t.[n], t.[at], cast(hashbytes('SHA2_256', cast(t.[what] as varbinary(max))) as binary(32)) intersect select g.e1, g.e2, g.e3)
  )
)
delete from held
where exists (
  select 1 from given as g
  where g.place = held.place
    and exists (select held.e1, held.e2, held.e3 intersect select g.e1, g.e2, g.e3)
);
