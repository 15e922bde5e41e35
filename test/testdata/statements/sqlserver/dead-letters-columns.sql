select c.name as name, case
    when c.name = 'event' then case when t.name in ('bigint', 'int') then 1 else 0 end
    when c.name in ('data_after', 'data_before') then case when t.name = 'nvarchar' and c.max_length = -1 then 1 else 0 end
    else 1
  end as fits
from sys.columns c join sys.types t on t.user_type_id = c.user_type_id
where c.object_id = object_id(N'[dbo].[replicator_dlq]');
