declare @written int;
update t set
  [a] = cast(v.c2 collate Latin1_General_BIN2 as nvarchar(50))
from openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(4000) '$[1]'
) as v
inner join [dbo].[numbered] as t with (rowlock, updlock, forceseek)
  on t.[id] = cast(v.c1 as int);
set @written = @@rowcount;
declare @inserted int;
set identity_insert [dbo].[numbered] on;
insert into [dbo].[numbered] ([id], [a])
select cast(v.c1 as int), cast(v.c2 collate Latin1_General_BIN2 as nvarchar(50))
from openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(4000) '$[1]'
) as v
where not exists (
  select 1 from [dbo].[numbered] as t with (rowlock, updlock, forceseek)
  where t.[id] = cast(v.c1 as int)
);
set @inserted = @@rowcount;
set identity_insert [dbo].[numbered] off;
set @written = @written + @inserted;
if @written <> @count throw 50013, 'two rows have one key', 1;
