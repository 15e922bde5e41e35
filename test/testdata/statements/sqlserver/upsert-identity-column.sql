declare @written int;
update t set
  [a] = cast(v.c3 collate Latin1_General_BIN2 as nvarchar(max))
from openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(64) '$[1]',
  c3 nvarchar(max) '$[2]'
) as v
inner join [dbo].[serial] as t with (rowlock, updlock, forceseek)
  on t.[id] = cast(v.c1 as bigint);
set @written = @@rowcount;
declare @inserted int;
set identity_insert [dbo].[serial] on;
insert into [dbo].[serial] ([id], [number], [a])
select cast(v.c1 as bigint), cast(v.c2 as int), cast(v.c3 collate Latin1_General_BIN2 as nvarchar(max))
from openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(64) '$[1]',
  c3 nvarchar(max) '$[2]'
) as v
where not exists (
  select 1 from [dbo].[serial] as t with (rowlock, updlock, forceseek)
  where t.[id] = cast(v.c1 as bigint)
);
set @inserted = @@rowcount;
set identity_insert [dbo].[serial] off;
set @written = @written + @inserted;
if @written <> @count throw 50013, 'two rows have one key', 1;
