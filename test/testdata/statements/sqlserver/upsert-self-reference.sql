declare @written int;
update t set
  [name] = cast(v.c2 collate Latin1_General_BIN2 as nvarchar(50))
from openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(4000) '$[1]',
  c3 nvarchar(64) '$[2]'
) as v
inner join [dbo].[staff] as t with (rowlock, updlock, forceseek)
  on t.[id] = cast(v.c1 as bigint);
set @written = @@rowcount;
declare @inserted int;
insert into [dbo].[staff] ([id], [name], [boss])
select cast(v.c1 as bigint), cast(v.c2 collate Latin1_General_BIN2 as nvarchar(50)), cast(v.c3 as bigint)
from openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(4000) '$[1]',
  c3 nvarchar(64) '$[2]'
) as v
where not exists (
  select 1 from [dbo].[staff] as t with (rowlock, updlock, forceseek)
  where t.[id] = cast(v.c1 as bigint)
);
set @inserted = @@rowcount;
set @written = @written + @inserted;
if @written <> @count throw 50013, 'two rows have one key', 1;
update t set
  [boss] = cast(v.c3 as bigint)
from openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(4000) '$[1]',
  c3 nvarchar(64) '$[2]'
) as v
inner join [dbo].[staff] as t with (rowlock, updlock, forceseek)
  on t.[id] = cast(v.c1 as bigint);
