delete from [dbo].[serial];
